// What servers in JavaScript do with Firestore, through firebase-admin.
//
//   FIRESTORE_EMULATOR_HOST=HOST:PORT node firebase_admin.cjs
//
// Says how each check ended, as one object of JSON: nothing where it passed, or what was wrong.

const assert = require("node:assert/strict");
const { initializeApp } = require("firebase-admin/app");
const {
  AggregateField, FieldPath, FieldValue, Filter, GeoPoint, Timestamp, getFirestore,
} = require("firebase-admin/firestore");

initializeApp({ projectId: "servers" });
const db = getFirestore();
const checks = {};
const ids = (found) => found.docs.map((one) => one.id);
const code = (promise) => promise.then(() => "done", (error) => error.code);

async function store(collection, count) {
  const batch = db.batch();
  for (let n = 1; n <= count; n++) batch.set(collection.doc(`d${n}`), { n, even: n % 2 === 0 });
  await batch.commit();
}

// Resolves when a listener has been told what is waited for.
const told = (target, wanted) => new Promise((resolve, reject) => {
  const stop = target.onSnapshot((found) => {
    if (wanted(found)) { stop(); resolve(found); }
  }, reject);
});

checks.values = async (c) => {
  const values = {
    text: "é 🎉 日本", integer: Number.MAX_SAFE_INTEGER, double: 0.1, nan: NaN, infinite: -Infinity,
    nothing: null, yes: true, list: [1, { deep: [2] }], map: { "a.b": { "`": 1 } },
    bytes: Buffer.from([0, 255, 7]), place: new GeoPoint(35.68, -139.69),
    time: new Timestamp(1_700_000_000, 123_456_000), reference: c.doc("other"),
    vector: FieldValue.vector([0.5, -1, 2]),
  };
  await c.doc("a").set(values);
  assert.deepEqual((await c.doc("a").get()).data(), values);
};

checks.transforms = async (c) => {
  await c.doc("a").set({ n: 1, list: [1, 2], gone: 1 });
  await c.doc("a").update({
    n: FieldValue.increment(2.5), list: FieldValue.arrayUnion(2, 3), gone: FieldValue.delete(),
    at: FieldValue.serverTimestamp(), "deep.er": FieldValue.arrayRemove(1),
  });
  const found = await c.doc("a").get();
  assert.ok(found.get("at") instanceof Timestamp);
  assert.deepEqual({ ...found.data(), at: 0 }, { n: 3.5, list: [1, 2, 3], at: 0, deep: { er: [] } });
};

checks.merging = async (c) => {
  await c.doc("a").set({ kept: 1, map: { kept: 1, set: 1 } });
  await c.doc("a").set({ map: { set: 2 } }, { merge: true });
  await c.doc("a").set({ kept: 5, extra: 6 }, { mergeFields: ["extra"] });
  assert.deepEqual((await c.doc("a").get()).data(), { kept: 1, map: { kept: 1, set: 2 }, extra: 6 });
};

checks.refusals = async (c) => {
  const { writeTime } = await c.doc("a").create({ n: 1 });
  assert.equal(await code(c.doc("a").create({ n: 1 })), 6);
  assert.equal(await code(c.doc("none").update({ n: 1 })), 5);
  await c.doc("a").update({ n: 2 });
  assert.equal(await code(c.doc("a").update({ n: 3 }, { lastUpdateTime: writeTime })), 9);
  assert.equal(await code(c.doc("a").delete({ lastUpdateTime: writeTime })), 9);
  assert.equal(await code(c.doc("big").set({ text: "x".repeat(1_100_000) })), 3);
  assert.equal(await code(c.doc("a").set({ __reserved__: 1 })), 3);
  assert.equal((await c.doc("a").get()).get("n"), 2);
};

checks.a_batch_is_done_as_a_whole = async (c) => {
  const batch = db.batch();
  batch.set(c.doc("a"), { n: 1 }).update(c.doc("none"), { n: 1 });
  assert.equal(await code(batch.commit()), 5);
  assert.equal((await c.doc("a").get()).exists, false);
};

checks.a_bulk_writer = async (c) => {
  await c.doc("d7").set({ before: true });
  const writer = db.bulkWriter();
  const failed = [];
  writer.onWriteError((error) => { failed.push([error.documentRef.id, error.code]); return false; });
  const done = [];
  for (let n = 0; n < 300; n++) done.push(writer.create(c.doc(`d${n}`), { n }).catch(() => null));
  await writer.close();
  assert.equal((await Promise.all(done)).filter((one) => one).length, 299);
  assert.deepEqual(failed, [["d7", 6]]);
  assert.equal((await c.count().get()).data().count, 300);
};

checks.a_stale_transaction_is_tried_again = async (c) => {
  await c.doc("a").set({ n: 1 });
  await c.doc("b").set({ n: 1 });
  const seen = [];
  const result = await db.runTransaction(async (transaction) => {
    await transaction.getAll(c.doc("b"), c.doc("none"));
    const a = await transaction.get(c.doc("a"));
    seen.push(a.get("n"));
    if (seen.length === 1) await c.doc("b").update({ n: 5 });
    transaction.update(c.doc("a"), { n: a.get("n") + 1 });
    return "result";
  });
  assert.deepEqual([result, seen], ["result", [1, 1]]);
  assert.equal((await c.doc("a").get()).get("n"), 2);
};

checks.transactions_at_the_same_time = async (c) => {
  await c.doc("a").set({ n: 0 });
  const one = () => db.runTransaction(async (transaction) => {
    const a = await transaction.get(c.doc("a"));
    transaction.update(c.doc("a"), { n: a.get("n") + 1 });
  }, { maxAttempts: 50 });
  await Promise.all([...Array(5)].map(one));
  assert.equal((await c.doc("a").get()).get("n"), 5);
};

checks.a_transaction_that_only_reads = async (c) => {
  const { writeTime } = await c.doc("a").set({ n: 1 });
  await c.doc("a").set({ n: 2 });
  const read = (transaction) => transaction.get(c.where("n", ">", 0));
  const found = await db.runTransaction(read, { readOnly: true, readTime: writeTime });
  assert.deepEqual(found.docs.map((one) => one.get("n")), [1]);
};

checks.queries = async (c) => {
  await store(c, 6);
  const sorted = c.orderBy("n");
  assert.deepEqual(ids(await c.where("n", "in", [2, 4, 9]).get()), ["d2", "d4"]);
  assert.deepEqual(ids(await c.where("n", "not-in", [1, 2, 3]).get()), ["d4", "d5", "d6"]);
  assert.deepEqual(ids(await c.where("n", "!=", 1).limit(2).get()), ["d2", "d3"]);
  assert.deepEqual(ids(await sorted.startAfter(2).endAt(4).get()), ["d3", "d4"]);
  assert.deepEqual(ids(await sorted.startAt(await c.doc("d5").get()).get()), ["d5", "d6"]);
  assert.deepEqual(ids(await sorted.limitToLast(2).get()), ["d5", "d6"]);
  assert.deepEqual(ids(await sorted.offset(4).get()), ["d5", "d6"]);
  const either = Filter.or(Filter.where("n", "<", 2), Filter.and(
    Filter.where("even", "==", true), Filter.where("n", ">", 4)));
  assert.deepEqual(ids(await c.where(either).get()), ["d1", "d6"]);
  const named = c.where(FieldPath.documentId(), ">", "d4").select("even");
  assert.deepEqual((await named.get()).docs.map((one) => one.data()), [{ even: false }, { even: true }]);
  const streamed = [];
  for await (const one of sorted.stream()) streamed.push(one.id);
  assert.equal(streamed.length, 6);
};

checks.aggregations = async (c) => {
  await store(c, 4);
  const asked = { count: AggregateField.count(), sum: AggregateField.sum("n"),
    average: AggregateField.average("n") };
  assert.deepEqual((await c.where("n", ">", 1).aggregate(asked).get()).data(),
    { count: 3, sum: 9, average: 3 });
};

checks.groups = async (c) => {
  for (const [path, n] of [["a/deep/x", 1], ["b/deep/y", 2], ["b/other/z", 3]])
    await c.doc(path).set({ n });
  const group = db.collectionGroup("deep").where("n", "<", 3).orderBy("n", "desc");
  const found = (await group.get()).docs.filter((one) => one.ref.path.startsWith(c.path));
  assert.deepEqual(found.map((one) => one.id), ["y", "x"]);
  assert.deepEqual((await c.doc("b").listCollections()).map((one) => one.id), ["deep", "other"]);
  assert.deepEqual((await c.listDocuments()).map((one) => one.id), ["a", "b"]);
  await db.recursiveDelete(c);
  assert.deepEqual(await c.listDocuments(), []);
};

checks.the_nearest = async (c) => {
  for (const [id, at] of [["a", [1, 0]], ["b", [0, 1]], ["c", [3, 0]]])
    await c.doc(id).set({ at: FieldValue.vector(at) });
  const nearest = c.findNearest({ vectorField: "at", queryVector: [1, 0.1], limit: 2,
    distanceMeasure: "EUCLIDEAN", distanceResultField: "far" });
  const found = await nearest.get();
  assert.deepEqual(ids(found), ["a", "b"]);
  assert.ok(Math.abs(found.docs[0].get("far") - 0.1) < 1e-9);
};

checks.listeners = async (c) => {
  await store(c, 3);
  const kinds = [];
  const stop = c.orderBy("n").onSnapshot((found) =>
    kinds.push(...found.docChanges().map((one) => `${one.type} ${one.doc.id}`)));
  const third = told(c.doc("d3"), (found) => found.get("n") === 9);
  await told(c, (found) => found.size === 3);
  await c.doc("d3").update({ n: 9 });
  await c.doc("d1").delete();
  await third;
  await told(c.orderBy("n"), (found) => found.size === 2);
  while (!kinds.includes("removed d1")) await new Promise(setImmediate);
  stop();
  assert.deepEqual(kinds, ["added d1", "added d2", "added d3", "modified d3", "removed d1"]);
};

// grpc-js shares one connection among them all.
checks.many_listeners_and_calls_beside_them = async (c) => {
  const numbers = [...Array(150).keys()];
  const all = numbers.map((n) => told(c.doc(`d${n}`), (found) => found.get("n") === n));
  for (const n of numbers) await c.doc(`d${n}`).set({ n });
  await Promise.all(all);
  assert.equal((await c.get()).size, 150);
};

async function run() {
  const endings = {};
  for (const [name, check] of Object.entries(checks))
    endings[name] = await check(db.collection(name)).then(() => null, (error) => error.stack);
  await db.terminate();
  process.stdout.write(JSON.stringify(endings) + "\n");
}

run().catch((error) => { console.error(error); process.exitCode = 1; });
