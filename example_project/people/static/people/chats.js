/** The chats of whoever is logged in, and the one rule that keeps them complete. */

import { api, backoff, pause } from "./api.js";
import { socket } from "./socket.js";

export const state = {
  me: null,
  chats: new Map(), // uri → chat
  outbox: [], // what was written and is not acknowledged, in that order: { uri, message, client_id, problem }
  isSending: false,
  onchange() {},
};

const fetching = new Set();

export const lastSeq = (chat) => chat.last_message?.seq ?? 0;

/** As the server counts: messages beyond the read mark, without tombstones. */
export function unread(chat) {
  const isTombstone = (row) => row.deleted && row.seq > chat.readSeq;
  return Math.max(0, lastSeq(chat) - chat.readSeq - [...chat.messages.values()].filter(isTombstone).length);
}

/** The server tells how many are unread; walking back from the end finds the read mark. */
function setUnread(chat, count) {
  for (chat.readSeq = lastSeq(chat); count > 0; chat.readSeq--) {
    if (!chat.messages.get(chat.readSeq)?.deleted) count--;
  }
}

export async function start() {
  state.me = (await api.insist("GET", "users/me/")).username;
  for (const data of await listChats()) hold(data);
  socket.connect();
}

/** All pages of the list. */
async function listChats() {
  const chats = [];
  for (let query = ""; query !== null; ) {
    const page = await api.insist("GET", `chats/${query}`);
    chats.push(...page.results);
    query = page.next && new URL(page.next).search;
  }
  return chats;
}

/** Starts to hold a chat as the API shows it. One that is held already stays: it may know more. */
export function hold(data) {
  let chat = state.chats.get(data.uri);
  if (!chat) {
    const { members, last_message: last } = data;
    chat = {
      ...data,
      members: new Map(members.map((row) => [row.username, row])),
      messages: new Map(last ? [[last.seq, last]] : []),
      firstSeq: undefined, // from here on no message is missing; 0: there are no earlier ones
      isLoading: false,
      isResuming: false,
      resumeAgain: false,
      readTimer: null,
    };
    setUnread(chat, data.unread_count);
    state.chats.set(chat.uri, chat);
  } else if (data.version > chat.version) {
    resume(chat);
  }
  state.onchange();
  return chat;
}

function drop(uri) {
  state.chats.delete(uri);
  state.onchange();
}

async function fetchChat(uri) {
  if (fetching.has(uri)) return;
  fetching.add(uri);
  try {
    resume(hold(await api.insist("GET", `chats/${uri}/`))); // frames that came meanwhile were not held
  } catch {
    drop(uri);
  }
  fetching.delete(uri);
}

/** The newest page of messages or, where that is there, the page before what is held. */
export async function loadMessages(chat) {
  if (chat.isLoading) return;
  chat.isLoading = true;
  try {
    const query = chat.firstSeq ? `?before=${chat.firstSeq}` : "";
    const page = await api.insist("GET", `chats/${chat.uri}/messages/${query}`);
    upsert(chat, page.results);
    chat.firstSeq = page.previous ? page.results[0].seq : 0;
  } catch {
    drop(chat.uri);
  }
  chat.isLoading = false;
  state.onchange();
}

function upsert(chat, rows) {
  for (const row of rows) {
    // A page of history may have been read before a frame that has arrived already.
    if (row.version < chat.messages.get(row.seq)?.version) continue;
    chat.messages.set(row.seq, row);
    if (row.seq >= lastSeq(chat)) chat.last_message = row;
    if (row.user.username !== state.me) continue;
    chat.readSeq = Math.max(chat.readSeq, row.seq);
    state.outbox = state.outbox.filter((draft) => draft.client_id !== row.client_id);
  }
}

/** The contract's one rule, for live frames and the pages of a resume alike. */
function take(frame) {
  const chat = state.chats.get(frame.chat);
  if (chat && frame.version <= chat.version) return;
  const own = frame.members.find((row) => row.username === state.me);
  if (own?.left) return drop(frame.chat);
  if (!state.chats.has(frame.chat)) fetchChat(frame.chat);
  else if (frame.since > chat.version) resume(chat);
  else {
    upsert(chat, frame.messages);
    for (const row of frame.members) {
      if (row.left) chat.members.delete(row.username);
      else chat.members.set(row.username, row);
    }
    Object.assign(chat, frame.details, { version: frame.version });
  }
}

function resume(chat) {
  // What is missed during a resume may be more than its last page brings.
  if (chat.isResuming) chat.resumeAgain = true;
  else chat.isResuming = socket.say({ type: "resume", id: chat.uri, chat: chat.uri, since: chat.version });
}

function resumed(chat) {
  const again = chat.resumeAgain;
  chat.isResuming = chat.resumeAgain = false;
  if (again) resume(chat);
  // Another window may have read while this one was away.
  else if (chat.version === chat.counted?.version) setUnread(chat, chat.counted.unread_count);
}

const frames = {
  async ready({ chats, more }) {
    const held = [...state.chats.keys()];
    const listed = new Map((more ? await listChats() : chats).map((entry) => [entry.uri, entry]));
    for (const [uri, entry] of listed) {
      const chat = state.chats.get(uri);
      if (!chat) {
        fetchChat(uri);
      } else {
        chat.counted = entry;
        if (entry.version === chat.version) resumed(chat);
        else resume(chat);
      }
    }
    held.filter((uri) => !listed.has(uri)).forEach(drop);
    state.onchange();
  },

  changes(frame) {
    take(frame);
    const chat = frame.id && !frame.more && state.chats.get(frame.chat);
    if (chat) resumed(chat);
  },

  reset({ chat }) {
    drop(chat);
    fetchChat(chat);
  },

  async error({ id, code }) {
    const chat = state.chats.get(id); // only a resume has an id, the chat's uri
    if (!chat) return;
    if (code === "not_a_member" || code === "not_found") return drop(id);
    await pause(backoff(3));
    chat.isResuming = false;
    resume(chat);
  },

  read({ chat: uri, username, seq }) {
    const chat = state.chats.get(uri);
    if (chat && username === state.me) chat.readSeq = Math.max(chat.readSeq, seq);
  },
};

socket.onframe = (frame) => {
  frames[frame.type]?.(frame);
  state.onchange();
};

socket.onlost = () => {
  for (const chat of state.chats.values()) chat.isResuming = chat.resumeAgain = false;
  state.onchange();
};

/** crypto.randomUUID() exists on localhost and HTTPS only. */
const newId = () => crypto.randomUUID?.() ?? crypto.getRandomValues(new Uint32Array(4)).join("-");

export function send(uri, message) {
  state.outbox.push({ uri, message, client_id: newId() });
  sendAll();
}

export function sendAgain(draft) {
  draft.problem = null;
  sendAll();
}

/** One after the other, until the outbox is empty. The client_id makes a repetition harmless, whatever was lost. */
async function sendAll() {
  state.onchange();
  if (state.isSending) return;
  state.isSending = true;
  for (let draft; (draft = state.outbox.find(({ problem }) => !problem)); state.onchange()) {
    const { uri, message, client_id } = draft;
    try {
      const row = await api.insist("POST", `chats/${uri}/messages/`, { message, client_id });
      if (state.chats.has(uri)) upsert(state.chats.get(uri), [row]);
      state.outbox = state.outbox.filter((other) => other !== draft);
    } catch (problem) {
      draft.problem = problem.message;
    }
  }
  state.isSending = false;
}

/** The chat has been seen to its end. The server is told once for many messages; `ready` says if that was lost. */
export function markRead(chat) {
  if (lastSeq(chat) <= chat.readSeq) return;
  chat.readSeq = lastSeq(chat);
  chat.readTimer ??= setTimeout(() => {
    chat.readTimer = null;
    socket.say({ type: "read", chat: chat.uri, seq: chat.readSeq });
  }, 1000);
}
