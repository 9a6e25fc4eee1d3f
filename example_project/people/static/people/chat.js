/** The page: what is known about the chats as elements, and what is typed as calls. */

import { api } from "./api.js";
import { hold, loadMessages, markRead, send, sendAgain, start, state, unread } from "./chats.js";
import { socket } from "./socket.js";

const $ = (id) => document.getElementById(id);
const STATUS = {
  connecting: "Connecting…",
  ready: "",
  lost: "Offline. Reconnecting…",
  refused: "The server refuses this page. Please reload it.",
};

/** The address names the open chat, so "back" and bookmarks work. */
const openUri = () => location.hash.slice(1);

// ------------------------------------------------------------------------------------------------------------ elements

/** Writes only what differs, so that screen readers announce it once and a selection stays. */
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Makes the children of `list` those of `items`, by their keys; those that stay are not touched but by `draw`. */
function drawList(list, items, template, draw) {
  const old = new Map([...list.children].map((element) => [element.dataset.key, element]));
  items.forEach((item, index) => {
    const element = old.get(item.key) ?? template.content.firstElementChild.cloneNode(true);
    old.delete(item.key);
    element.dataset.key = item.key;
    draw((selector) => element.querySelector(selector), item, element);
    if (list.children[index] !== element) list.insertBefore(element, list.children[index] ?? null);
  });
  for (const element of old.values()) element.remove();
}

function drawAvatar(element, name) {
  write(element, [...name][0]?.toUpperCase() ?? "");
  element.style.setProperty("--hue", [...name].reduce((sum, letter) => (sum * 31 + letter.codePointAt()) % 360, 7));
}

function drawTime(element, instant) {
  const time = new Date(instant);
  const isToday = time.toDateString() === new Date().toDateString();
  element.dateTime = instant;
  element.title = time.toLocaleString();
  write(element, isToday ? time.toLocaleTimeString([], { timeStyle: "short" }) : time.toLocaleDateString());
}

const authorOf = (row) => row.user.username ?? "somebody who left";

function nameOf(chat) {
  const others = [...chat.members.keys()].filter((name) => name !== state.me);
  return chat.title || others.join(", ") || "Just me";
}

function previewOf({ kind, last_message: last }) {
  if (!last) return "No messages yet";
  const author = last.user.username === state.me ? "You: " : kind === "group" ? `${authorOf(last)}: ` : "";
  return author + (last.deleted ? "(deleted)" : last.message || filesOf(last));
}

/** The names of a message's files. What is on its way yet has none. */
function filesOf({ attachments = [] }) {
  const names = attachments.map(({ name }) => name).join(", ");
  return names && `📎 ${names}`;
}

const stateOf = ({ draft }) => (!draft ? "sent" : draft.problem ? "failed" : "sending");

function noteOf({ draft, edited_at, deleted }) {
  if (draft) return draft.problem ?? "Sending…";
  return edited_at && !deleted ? "edited" : "";
}

// ---------------------------------------------------------------------------------------------------------------- view

function drawChats() {
  const activity = (chat) => chat.last_message?.created_at ?? chat.created_at;
  const items = [...state.chats.values()]
    .sort((one, other) => activity(other).localeCompare(activity(one)))
    .map((chat) => ({ key: chat.uri, chat }));
  drawList($("chats"), items, $("chat-item"), (find, { chat }) => {
    const count = unread(chat);
    find("a").href = `#${chat.uri}`;
    find("a").dataset.uri = chat.uri;
    find("a").ariaCurrent = chat.uri === openUri() ? "page" : null;
    drawAvatar(find(".avatar"), nameOf(chat));
    write(find(".name"), nameOf(chat));
    write(find(".preview"), previewOf(chat));
    drawTime(find("time"), activity(chat));
    find(".badge").hidden = !count;
    find(".badge").ariaLabel = `${count} unread`;
    write(find(".badge"), String(count));
  });
  const total = items.filter(({ chat }) => unread(chat)).length;
  document.title = total ? `(${total}) Chat` : "Chat";
}

function drawConversation(chat) {
  $("conversation").hidden = !chat;
  $("nothing").hidden = Boolean(chat);
  $("app").dataset.showing = chat ? "conversation" : "chats";
  if (!chat) return;
  if (chat.firstSeq === undefined) loadMessages(chat);

  write($("title"), nameOf(chat));
  write($("members"), [...chat.members.keys()].join(", "));
  write($("uri"), chat.uri);
  $("invite").hidden = !chat.joinable;
  $("log").ariaBusy = String(chat.isLoading);
  keepPlace($("log"), () => drawMessages(chat));
  if (!document.hidden) markRead(chat);
}

function drawMessages(chat) {
  const isMine = (row) => row.user.username === state.me;
  const rows = [...chat.messages.values()].filter((row) => row.seq >= chat.firstSeq).sort((a, b) => a.seq - b.seq);
  for (const draft of state.outbox) {
    if (draft.uri === chat.uri) rows.push({ ...draft, draft, user: { username: state.me } });
  }
  const items = rows.map((row, index) => ({
    row,
    isContinued: rows[index - 1]?.user.username === row.user.username,
    // A message of mine keeps the key that it had on its way.
    key: isMine(row) && row.client_id ? `mine ${row.client_id}` : `seq ${row.seq}`,
  }));
  drawList($("messages"), items, $("message-item"), (find, { row, isContinued }, element) => {
    const { seq, draft, deleted } = row;
    element.classList.toggle("mine", isMine(row));
    element.classList.toggle("continued", isContinued);
    element.classList.toggle("deleted", Boolean(deleted));
    element.dataset.state = stateOf(row);
    if (!draft) element.dataset.seq = seq;
    if (!draft) drawTime(find("time"), row.created_at);
    drawAvatar(find(".avatar"), authorOf(row));
    write(find(".author"), authorOf(row));
    write(find(".text"), deleted ? "This message was deleted." : row.message);
    write(find(".files"), filesOf(row));
    write(find(".note"), noteOf(row));
    find(".retry").hidden = !draft?.problem;
    find(".retry").onclick = () => sendAgain(draft);
  });
  $("earlier").hidden = !chat.firstSeq;
  $("silence").hidden = chat.firstSeq !== 0 || items.length > 0;
}

/** Stays at the end if it was there, except for earlier messages: those come in above what is being read. */
function keepPlace(log, draw) {
  const { scrollHeight, scrollTop, clientHeight } = log;
  const first = $("messages").firstElementChild;
  const isAtEnd = scrollHeight - scrollTop - clientHeight < 40;
  const top = first?.offsetTop;
  draw();
  const stays = first?.isConnected && (first.previousElementSibling || !isAtEnd);
  log.scrollTop = stays ? scrollTop + first.offsetTop - top : log.scrollHeight;
}

function draw() {
  drawConversation(state.chats.get(openUri()));
  drawChats(); // with what has just been read
  write($("me"), state.me);
  write($("status"), STATUS[socket.status]);
}

// --------------------------------------------------------------------------------------------------------------- input

/** Runs `task` with the form's values when it is submitted; what goes wrong is said in the form. */
function onSubmit(form, task) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const problem = form.querySelector(".problem");
    const button = form.querySelector("[type=submit]");
    write(problem, "");
    button.disabled = true;
    try {
      await task(Object.fromEntries(new FormData(form)));
      form.reset();
    } catch (error) {
      write(problem, error.message);
    }
    button.disabled = false;
  });
}

/** A form of the dialog: the chat that comes of it is opened. */
function onStart(form, request) {
  onSubmit(form, async (values) => {
    const chat = hold(await request(values));
    $("new-chat").close();
    location.hash = chat.uri;
  });
}

function onLogIn(form, path) {
  onSubmit(form, async (values) => {
    const { access, refresh } = await api.request("POST", path, values);
    api.tokens = { access, refresh };
    enter();
  });
}

onLogIn($("login"), "users/login/");
onLogIn($("signup"), "users/signup/");
onStart($("start-direct"), ({ username }) => api.call("POST", "chats/", { username }));
onStart($("start-group"), ({ title, members }) =>
  api.call("POST", "chats/", { title, members: members.split(",").map((name) => name.trim()).filter(Boolean) }),
);
onStart($("join-chat"), ({ uri }) => api.call("PATCH", `chats/${encodeURIComponent(uri.trim())}/`, {}));

/** What was written and not sent, by chat. */
const typed = new Map();

$("logout").onclick = () => api.logOut();
$("new").onclick = () => $("new-chat").showModal();
$("close").onclick = () => $("new-chat").close();
$("earlier").onclick = () => loadMessages(state.chats.get(openUri()));

const { message: field } = $("composer").elements;
$("composer").onsubmit = (event) => {
  event.preventDefault();
  if (!field.value.trim()) return;
  send(openUri(), field.value);
  typed.delete(openUri());
  field.value = "";
  $("log").scrollTop = $("log").scrollHeight;
};
field.oninput = () => typed.set(openUri(), field.value);
field.onkeydown = (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $("composer").requestSubmit();
};

/** Shows the chat that the address names, or offers to join it. */
function showChat() {
  const uri = openUri();
  $("messages").replaceChildren();
  field.value = typed.get(uri) ?? "";
  draw();
  if (state.chats.has(uri)) {
    if (matchMedia("(hover: hover)").matches) field.focus(); // on a phone, the keyboard would cover the messages
  } else if (uri) {
    $("join-chat").elements.uri.value = uri;
    $("new-chat").showModal();
  }
}

addEventListener("hashchange", showChat);
document.addEventListener("visibilitychange", draw);

/** Many changes in a row are drawn once. */
let isDrawingSoon = false;
state.onchange = () => {
  if (isDrawingSoon) return;
  isDrawingSoon = true;
  queueMicrotask(() => {
    isDrawingSoon = false;
    draw();
  });
};

async function enter() {
  $("welcome").hidden = Boolean(api.tokens);
  $("app").hidden = !api.tokens;
  if (!api.tokens) return;
  draw();
  await start();
  showChat();
}

enter();
