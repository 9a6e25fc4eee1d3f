/** The REST API: requests with tokens, and what to do when one fails. */

/** Waits; shorter when the network comes back. */
export const pause = (ms) =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
    addEventListener("online", resolve, { once: true });
  });

/** Growing, so that a struggling server gets room; with jitter, so that its clients do not return all at once. */
export const backoff = (attempt) => Math.min(30_000, 500 * 2 ** attempt) * (0.5 + Math.random());

class Problem extends Error {
  constructor(status, body, retryAfter) {
    const line = ([field, texts]) => (field === "non_field_errors" ? "" : `${field}: `) + [texts].flat().join(" ");
    super(body.detail ?? (Object.entries(body).map(line).join("\n") || `The server answered ${status}.`));
    Object.assign(this, { status, retryAfter });
  }

  /** Whether the same request may succeed later; status 0 is no answer at all. */
  get isPassing() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

export const api = {
  /** sessionStorage belongs to one window, so two windows can be two users. */
  get tokens() {
    return JSON.parse(sessionStorage.getItem("tokens"));
  },

  set tokens(tokens) {
    sessionStorage.setItem("tokens", JSON.stringify(tokens));
  },

  async request(method, path, body, token) {
    const headers = { Accept: "application/json" };
    if (body) headers["Content-Type"] = "application/json";
    if (token) headers.Authorization = `Bearer ${token}`;
    try {
      const response = await fetch(`/api/v1/${path}`, {
        method,
        headers,
        body: body && JSON.stringify(body),
        credentials: "omit", // who uses the admin in this browser may be somebody else here
        signal: AbortSignal.timeout(15_000),
      });
      const isJson = response.headers.get("Content-Type")?.includes("json");
      const answer = isJson ? await response.json() : {};
      if (!response.ok) throw new Problem(response.status, answer, Number(response.headers.get("Retry-After")) || 0);
      return answer;
    } catch (error) {
      throw error instanceof Problem ? error : new Problem(0, { detail: "The server cannot be reached." }, 0);
    }
  },

  /** A request of whoever is logged in. */
  async call(method, path, body) {
    const token = await this.token();
    try {
      return await this.request(method, path, body, token);
    } catch (problem) {
      if (problem.status !== 401) throw problem;
      return this.request(method, path, body, await this.token(token));
    }
  },

  /** Repeats a request that is safe to repeat until it is answered for good. */
  async insist(method, path, body) {
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.call(method, path, body);
      } catch (problem) {
        if (!problem.isPassing) throw problem;
        await pause(Math.max(problem.retryAfter * 1000, backoff(attempt)));
      }
    }
  },

  /** An access token that is good for a while, and is not `refused`. */
  async token(refused) {
    const { access } = this.tokens;
    const { exp } = JSON.parse(atob(access.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")));
    if (access !== refused && Date.now() < exp * 1000 - 30_000) return access;
    // A refresh token works once: all who need one at the same time share the new one.
    this.refreshing ??= this.refresh().finally(() => (this.refreshing = null));
    return this.refreshing;
  },

  async refresh() {
    try {
      const { refresh } = this.tokens;
      this.tokens = { refresh, ...(await this.request("POST", "users/refresh/", { refresh })) };
      return this.tokens.access;
    } catch (problem) {
      if (problem.status === 401) this.forget();
      throw problem;
    }
  },

  async logOut() {
    await this.request("POST", "users/logout/", { refresh: this.tokens.refresh }).catch(() => {});
    this.forget();
  },

  /** Back to the log-in form by loading the page, so that nothing which the former user saw stays in memory. */
  forget() {
    sessionStorage.clear();
    location.replace(location.pathname);
  },
};
