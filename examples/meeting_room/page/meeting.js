// Each pane is one participant: it listens to its own two documents and reads nothing else.
import { addDoc, collection, doc, onSnapshot } from "firebase/firestore";
import { firestore } from "../shared/firestore.js";

// When the last command was given, by performance.now(); each pane tells how long it took.
let askedAt = null;

class Pane {
  constructor(setting, uid) {
    this.meeting = setting.meeting;
    this.uid = uid;
    this.ticket = setting.tickets[uid];
    this.session = null;
    this.seenAskedAt = null;

    // A client for each pane, as two people have two browsers.
    this.db = firestore(setting.firestore, uid);

    const template = document.getElementById("pane").content.firstElementChild;
    this.root = template.cloneNode(true);
    this.root.id = uid;
    const place = `users/${uid}/MeetingSession/${this.meeting}`;
    this.find("place").textContent = place;
    this.find("person").textContent = uid;
    this.find("attend").addEventListener("click", () => this.command(() => this.attend()));
    this.find("session").addEventListener("click", () => this.command(() => this.propose()));
    document.getElementById("panes").append(this.root);

    const failed = (error) => this.say(`Listening ended: ${error.message}`, true);
    onSnapshot(doc(this.db, "userView", uid), (snapshot) => this.showUser(snapshot.data()), failed);
    onSnapshot(doc(this.db, place), (snapshot) => this.showSession(snapshot.data()), failed);
  }

  find(name) {
    return this.root.querySelector(`.${name}`);
  }

  // What the documents say.

  showUser(user) {
    this.name = user && `${user.firstName} ${user.lastName}`;
    this.find("person").textContent = this.name ?? this.uid;
    this.showSession(this.session);
  }

  showSession(session) {
    if (session && session !== this.session) this.showTime();
    this.session = session;
    this.find("attend").disabled = !session;
    this.find("session").disabled = !session;
    if (!session) return;
    this.attending = session.attending.some((person) => person.name === this.name);

    const status = this.find("status");
    status.textContent = session.inSession ? "in session" : "not in session";
    status.classList.toggle("running", session.inSession);
    this.find("address").textContent = session.address ?? "";
    this.find("count").textContent = `(${session.attending.length})`;
    this.find("attending").replaceChildren(...session.attending.map(itemOf));
    this.find("nobody").hidden = session.attending.length > 0;
    this.find("aids").textContent = hearingAids(session.numHearingAidRequested);
    this.find("attend").textContent = this.attending ? "Leave" : "Attend";
    this.find("session").textContent = session.inSession
      ? "Close the meeting"
      : "Reopen the meeting";
  }

  showTime() {
    // The first value after a command is its effect; later ones have causes of their own.
    if (askedAt === null || askedAt === this.seenAskedAt) return;
    this.seenAskedAt = askedAt;
    const took = Math.round(performance.now() - askedAt);
    this.find("time").textContent = `seen after ${took} ms`;
    this.find("time").dataset.ms = took;
  }

  // What the participant does.

  async command(act) {
    this.say("");
    const mine = performance.now();
    askedAt = mine;
    try {
      await act();
    } catch (error) {
      // It has no effect whose time could be told.
      if (askedAt === mine) askedAt = null;
      this.say(error.message, true);
    }
  }

  // Through REST: the answer is the ticket as it now stands.
  async attend() {
    const answer = await fetch(`tickets/${encodeURIComponent(this.ticket)}`, {
      method: "PATCH",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ attendance: !this.attending }),
    });
    if (!answer.ok) throw new Error((await answer.json()).detail);
  }

  // Through Firestore alone: a document that says what is wanted, and later what became of it.
  async propose() {
    const proposals = collection(this.db, `users/${this.uid}/MeetingSession_PATCH`);
    const wanted = { target_meeting_id: this.meeting, inSession: !this.session.inSession };
    const proposal = await addDoc(proposals, wanted);
    await new Promise((resolve, reject) => {
      const stop = onSnapshot(
        proposal,
        (snapshot) => {
          const { error, result } = snapshot.data() ?? {};
          if (!error && !result) return;
          stop();
          if (error) reject(new Error(error.detail));
          else resolve();
        },
        reject,
      );
    });
  }

  say(text, refused = false) {
    const said = this.find("said");
    said.textContent = text;
    said.classList.toggle("refused", refused);
  }
}

function itemOf(person) {
  const item = document.createElement("li");
  const name = document.createElement("span");
  const organization = document.createElement("span");
  name.textContent = person.name;
  organization.textContent = [person.organization, person.hearing_aid_requested && "hearing aid"]
    .filter(Boolean)
    .join(" · ");
  organization.className = "organization";
  item.append(name, organization);
  return item;
}

function hearingAids(count) {
  if (count === 0) return "";
  return count === 1 ? "One hearing aid is requested." : `${count} hearing aids are requested.`;
}

async function start() {
  const answer = await fetch("setting");
  if (!answer.ok) throw new Error(`The application answers ${answer.status}.`);
  const setting = await answer.json();
  for (const uid of Object.keys(setting.tickets).slice(0, 2)) new Pane(setting, uid);
}

start().catch((error) => {
  const failure = document.getElementById("failure");
  failure.textContent = `The page could not start: ${error.message}`;
  failure.hidden = false;
});
