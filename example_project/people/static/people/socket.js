/** One WebSocket for as long as the page lives: it says hello, stays alive, and comes back. */

import { api, backoff, pause } from "./api.js";

const ADDRESS = `${location.origin.replace("http", "ws")}/ws/v1/chat/`;
const SUBPROTOCOL = "bpo-chat.v1";

export const socket = {
  status: "connecting", // then "ready", "lost" or, for good, "refused"
  attempt: 0,
  heartbeat: 25,
  wait: null, // milliseconds that the server has asked for before it goes

  /** Whoever follows the chats listens here. */
  onframe() {},
  onlost() {},

  /** Whether the frame could be sent. Nothing waits for better times: `ready` puts everything right. */
  say(frame) {
    if (this.status !== "ready") return false;
    this.ws.send(JSON.stringify(frame));
    return true;
  },

  async connect() {
    try {
      this.token = await api.token(this.refused);
    } catch {
      return this.lost();
    }
    this.ws = new WebSocket(ADDRESS, SUBPROTOCOL);
    this.ws.onopen = () => this.ws.send(JSON.stringify({ type: "hello", token: this.token }));
    this.ws.onclose = ({ code }) => this.lost(code);
    this.ws.onmessage = ({ data }) => {
      this.expectMore();
      const frame = JSON.parse(data);
      this.answers[frame.type]?.(frame);
      this.onframe(frame);
    };
    this.expectMore();
  },

  /** A connection that the network has forgotten never closes, but the server's pings stay away. */
  expectMore() {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => this.lost(), 2 * this.heartbeat * 1000);
  },

  async lost(code) {
    clearTimeout(this.silence);
    if (this.ws) this.ws.onopen = this.ws.onclose = this.ws.onmessage = null;
    this.ws?.close();
    this.status = code === 4400 || code === 4403 ? "refused" : "lost";
    this.onlost();
    if (this.status === "refused") return;
    if (code === 4401) this.refused = this.token;
    const wait = this.wait ?? backoff(this.attempt) + (code === 4429 ? 30_000 : 0);
    Object.assign(this, { attempt: this.attempt + 1, wait: null });
    await pause(wait);
    this.connect();
  },

  /** What the connection itself needs. */
  answers: {
    ready({ heartbeat }) {
      Object.assign(socket, { status: "ready", attempt: 0, heartbeat });
    },

    reconnect({ after }) {
      socket.wait = after * 1000;
    },

    ping() {
      socket.say({ type: "pong" });
    },

    async "auth.expiring"({ seconds }) {
      // Not at once: a token that lives no longer than the warning would be renewed without end.
      await pause(seconds * 500);
      socket.token = await api.token(socket.token);
      socket.say({ type: "auth", token: socket.token });
    },
  },
};
