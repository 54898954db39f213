// A page's Firestore: the local one or Google's, as the application says.
import { initializeApp } from "firebase/app";
import { connectFirestoreEmulator, getFirestore } from "firebase/firestore";

// `settings` are those of `boiler.web_settings()`; each name is a client of its own.
export function firestore({ firebase, database, emulator }, name) {
  const db = getFirestore(initializeApp(firebase, name), database);
  if (emulator) connectFirestoreEmulator(db, emulator.host, emulator.port);
  return db;
}
