// A page's Firestore: the local one or Google's, as the application says.
import { initializeApp } from "firebase/app";
import { connectFirestoreEmulator, getFirestore } from "firebase/firestore";

// Where it is: what `boiler.web_settings()` returns, from the route of this name.
export async function settings() {
  const answer = await fetch("firestore");
  if (!answer.ok) throw new Error(`The application answers ${answer.status}.`);
  return answer.json();
}

// A client; each name is one of its own, with two streams. From a server with HTTP/1.1, as the local
// one, browsers take six at a time: so have no more than two clients on a page.
export function firestore({ firebase, database, emulator }, name) {
  const db = getFirestore(initializeApp(firebase, name), database);
  if (emulator) connectFirestoreEmulator(db, emulator.host, emulator.port);
  return db;
}
