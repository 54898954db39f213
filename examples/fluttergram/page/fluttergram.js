// Each pane is one user: it reads its own feed from Firestore, and posts and follows over REST.
import { collection, doc, limit, onSnapshot, orderBy, query } from "firebase/firestore";
import { firestore, settings } from "../shared/firestore.js";

class Pane {
  constructor(setting, uid, name, other) {
    this.uid = uid;
    this.other = other;
    this.follows = null;
    const db = firestore(setting, uid);

    const template = document.getElementById("pane").content.firstElementChild;
    this.root = template.cloneNode(true);
    this.root.id = uid;
    this.find("person").textContent = name;
    this.find("place").textContent = `users/${uid}/feed`;
    this.find("follow").addEventListener("click", () => this.follow());
    this.find("post").addEventListener("submit", (event) => this.post(event));
    this.find("post").querySelector("button").disabled = false;
    document.getElementById("panes").append(this.root);

    const failed = (error) => this.say(`Listening ended: ${error.message}`);
    const newest = orderBy("postedAt", "desc");
    const feed = query(collection(db, "users", uid, "feed"), newest, limit(20));
    onSnapshot(feed, (found) => this.showFeed(found), failed);
    onSnapshot(doc(db, "authors", other), (author) => this.showOther(author.data()), failed);
  }

  find(name) {
    return this.root.querySelector(`.${name}`);
  }

  showFeed(found) {
    this.find("feed").replaceChildren(...found.docs.map((entry) => this.row(entry)));
  }

  row(entry) {
    const { author, text, mine } = entry.data();
    const item = document.createElement("li");
    const [said, by] = [document.createElement("span"), document.createElement("small")];
    said.textContent = text;
    by.textContent = author;
    item.append(said);
    if (mine) {
      const remove = document.createElement("button");
      remove.type = "button";
      remove.textContent = "Delete";
      remove.addEventListener("click", () => this.call("DELETE", `posts/${entry.id}`));
      item.append(remove);
    }
    item.append(by);
    return item;
  }

  showOther(author) {
    this.follows = author?.followers.includes(this.uid) ?? false;
    this.find("follow").disabled = !author;
    if (author) {
      this.find("follow").textContent = `${this.follows ? "Unfollow" : "Follow"} ${author.fullName}`;
    }
  }

  follow() {
    const change = this.follows ? "removeFollower" : "addFollower";
    return this.call("PATCH", `authors/${this.other}`, { [change]: this.uid });
  }

  async post(event) {
    event.preventDefault();
    const { text } = event.target.elements;
    await this.call("POST", "posts", { author: this.uid, text: text.value });
    text.value = "";
  }

  async call(method, path, body) {
    this.say("");
    const headers = { "Content-Type": "application/json" };
    const answer = await fetch(path, { method, headers, body: JSON.stringify(body) });
    if (!answer.ok) this.say((await answer.json()).detail);
  }

  say(text) {
    this.find("said").textContent = text;
    this.find("said").classList.toggle("refused", text !== "");
  }
}

settings()
  .then((setting) => {
    new Pane(setting, "ada", "Ada", "ben");
    new Pane(setting, "ben", "Ben", "ada");
  })
  .catch((error) => {
    const failure = document.getElementById("failure");
    failure.textContent = `The page could not start: ${error.message}`;
    failure.hidden = false;
  });
