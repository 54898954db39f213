// Uses the embedded Firestore as tests of security rules and servers do, with Firebase's packages.
//
//   node firebase_clients.cjs HOST PORT
//
// Says what each has found, as one line of JSON.

const { initializeTestEnvironment } = require("@firebase/rules-unit-testing");
const { initializeApp, deleteApp } = require("firebase/app");
const lite = require("firebase/firestore/lite");

const [host, port] = [process.argv[2], Number(process.argv[3])];
const found = {};

async function ofRulesUnitTesting() {
  const environment = await initializeTestEnvironment({
    projectId: "rules", firestore: { host, port },
  });
  const known = environment.authenticatedContext("ada").firestore();
  await known.doc("c/a").set({ n: 1 });
  found.known = (await known.doc("c/a").get()).data();
  await environment.withSecurityRulesDisabled(async (context) => {
    await context.firestore().doc("c/b").set({ n: 2 });
    found.disabled = (await context.firestore().collection("c").get()).size;
  });
  await environment.clearFirestore();
  const unknown = environment.unauthenticatedContext().firestore();
  found.cleared = (await unknown.doc("c/a").get()).exists;
  await environment.cleanup();
}

async function ofLite() {
  const app = initializeApp({ projectId: "lite" });
  const db = lite.getFirestore(app);
  lite.connectFirestoreEmulator(db, host, port, { mockUserToken: { sub: "ada" } });
  await lite.setDoc(lite.doc(db, "c/a"), { n: 1, text: "é 🎉" });
  await lite.updateDoc(lite.doc(db, "c/a"), { n: lite.increment(1) });
  await lite.runTransaction(db, async (transaction) => {
    const a = await transaction.get(lite.doc(db, "c/a"));
    transaction.set(lite.doc(db, "c/b"), { n: a.data().n + 1 });
  });
  const sorted = lite.query(lite.collection(db, "c"), lite.orderBy("n", "desc"));
  found.lite = (await lite.getDocs(sorted)).docs.map((one) => [one.id, one.data().n]);
  found.count = (await lite.getCount(lite.collection(db, "c"))).data().count;
  await lite.deleteDoc(lite.doc(db, "c/a"));
  found.deleted = !(await lite.getDoc(lite.doc(db, "c/a"))).exists();
  await deleteApp(app);
}

ofRulesUnitTesting().then(ofLite).then(
  // Whatever the SDK keeps open does not keep this program.
  () => process.stdout.write(JSON.stringify(found) + "\n", () => process.exit(0)),
  (error) => { console.error(error); process.exit(1); },
);
