// Each pane is one person, who writes forms and listens to views; no pane calls the server.
import { collection, doc, onSnapshot, query, setDoc, where } from "firebase/firestore";
import { firestore, settings } from "../shared/firestore.js";

class Pane {
  constructor(setting, uid, name, role) {
    this.uid = uid;
    this.db = firestore(setting, uid);
    this.sent = null;

    const template = document.getElementById(role).content.firstElementChild;
    this.root = template.cloneNode(true);
    this.root.id = uid;
    document.getElementById("panes").append(this.root);

    this.find("person").textContent = name;
    this.listen(this.mine("refusals"), (found) => this.showRefusal(found));
  }

  find(name) {
    return this.root.querySelector(`.${name}`);
  }

  // What lies below the user's own document, where nobody else may read or write.
  mine(name) {
    return collection(this.db, "users", this.uid, name);
  }

  listen(target, show) {
    onSnapshot(target, show, (error) => this.say(`Listening ended: ${error.message}`));
  }

  // A form: it is gone when the server has taken it. A refusal has the id of the form.
  async send(name, fields, id = doc(this.mine(name)).id) {
    this.sent = id;
    this.say("");
    try {
      await setDoc(doc(this.mine(name), id), fields);
    } catch (error) {
      this.say(error.message);
    }
  }

  showRefusal(found) {
    const refusal = found.docs.find((one) => one.id === this.sent);
    if (refusal) this.say(refusal.get("problem").detail);
  }

  say(text) {
    this.find("said").textContent = text;
    this.find("said").classList.toggle("refused", text !== "");
  }
}

class Driver extends Pane {
  constructor(setting, uid, name) {
    super(setting, uid, name, "driver");
    this.listen(this.mine("rides"), (found) => this.showRides(found));
    const form = this.find("offer");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const { destination, seats } = form.elements;
      this.send("rides_POST", { destination: destination.value, seats: seats.valueAsNumber });
      destination.value = "";
    });
    form.querySelector("button").disabled = false;
  }

  showRides(found) {
    const rows = found.docs.map((one) => {
      const { destination, seats, departed, passengers } = one.data();
      const taken = passengers.reduce((sum, each) => sum + each.seats, 0);
      const names = passengers.map(({ name, seats }) => (seats > 1 ? `${name} (${seats})` : name));
      return row(
        one.id,
        destination,
        `${taken} of ${seats} seats: ${names.join(", ") || "nobody"}`,
        departed ? "departed" : button("Depart", () => this.send("departures_POST", {}, one.id)),
      );
    });
    this.find("own").replaceChildren(...rows);
  }
}

class Rider extends Pane {
  constructor(setting, uid, name) {
    super(setting, uid, name, "rider");
    const open = query(collection(this.db, "rideView"), where("departed", "==", false));
    this.listen(open, (found) => this.showOffered(found));
    this.listen(this.mine("bookings"), (found) => this.showBookings(found));
  }

  showOffered(found) {
    const rows = found.docs.map((one) => {
      const { destination, driver, free } = one.data();
      const book = button("Book", () => this.send("bookings_POST", { ride: one.id, seats: 1 }));
      return row(one.id, destination, `with ${driver}, ${free} left`, book);
    });
    this.find("offered").replaceChildren(...rows);
  }

  showBookings(found) {
    const rows = found.docs.map((one) => {
      const { destination, driver, state } = one.data();
      const cancel = button("Cancel", () => this.send("cancellations_POST", {}, one.id));
      return row(one.id, destination, `with ${driver}, ${state}`, state === "booked" ? cancel : "");
    });
    this.find("own").replaceChildren(...rows);
  }
}

function row(id, title, text, end) {
  const item = document.createElement("li");
  item.dataset.id = id;
  const [first, more] = [document.createElement("span"), document.createElement("small")];
  first.textContent = title;
  more.textContent = text;
  item.append(first, end, more);
  return item;
}

function button(text, act) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = text;
  made.addEventListener("click", act);
  return made;
}

settings()
  .then((setting) => {
    new Driver(setting, "dora", "Dora");
    new Rider(setting, "ada", "Ada");
  })
  .catch((error) => {
    const failure = document.getElementById("failure");
    failure.textContent = `The page could not start: ${error.message}`;
    failure.hidden = false;
  });
