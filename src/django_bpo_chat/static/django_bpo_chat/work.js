"use strict";

/* Presses the button "Go on" of a page that works, until it is done. Without this script people press it. */
{
    const work = () => document.getElementById("bpo-chat-work");

    async function step() {
        const form = work().querySelector("form");
        form.querySelector("[type=submit]").hidden = true;
        const answer = await fetch(form.action, {method: "POST", body: new FormData(form)});
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const next = page.getElementById("bpo-chat-work");
        if (next === null) { // logged out, or not allowed any more: the browser is to show what is said
            form.submit();
            return false;
        }
        work().replaceWith(next);
        return true;
    }

    async function run() {
        try {
            while (work().dataset.stage === "working" && await step());
        } catch {
            work().querySelector("[data-offline]").hidden = false;
            work().querySelector("[type=submit]").hidden = false;
        }
    }

    run();
}
