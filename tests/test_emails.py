"""No email is shown to anybody but its owner, by whichever door."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from django_bpo_chat.accounts.urls import urlpatterns as account_urls
from django_bpo_chat.api.urls import urlpatterns as chat_urls
from tests.clients import Connect
from tests.person import PASSWORD, Answer, Person, Visitor

pytestmark = pytest.mark.users
pytest_plugins = ["tests.sockets"]


def emails(text: str) -> set[str]:
    return set(re.findall(r"[\w.]+@email\.com", text))


def test_no_answer_shows_an_email_but_ones_own(wali: Person, mabel: Person, otis: Person, visitor: Visitor) -> None:
    uri, direct = wali.start(mabel), wali.start_direct(mabel)
    for each in (uri, direct):
        mabel.send(each)
    chat, ines = f"chats/{uri}", {"username": "ines", "password": PASSWORD, "password2": PASSWORD}

    token = wali.invite(uri)

    # By the names of the URLs: a new one has to be asked here too.
    answers: dict[str, list[Answer]] = {
        "signup": [visitor.post("users/signup/", {**ines, "email": email}) for email in (wali.email, "i@email.org")],
        "login": [visitor.post("users/login/", {"email": wali.email, "password": word}) for word in (PASSWORD, "x")],
        "refresh": [visitor.post("users/refresh/", {"refresh": wali.log_in()["refresh"]})],
        "logout": [visitor.post("users/logout/", {"refresh": wali.log_in()["refresh"]})],
        "me": [wali.get("users/me/")],
        "chats": [wali.get("chats/"), wali.post("chats/", {"username": mabel.username})],
        "chat": [wali.get(chat), wali.get(f"chats/{direct}"), wali.patch(chat, {"username": otis.username})],
        "members": [wali.get(f"{chat}/members/")],
        "messages": [wali.get(f"{chat}/messages/"), wali.post(f"{chat}/messages/", {"message": "Hello"})],
        "search": [wali.get("search/", q="Hello"), otis.get("search/", q="Hello")],
        "attachments": [wali.upload(uri), wali.upload("x")],
        "attachment": [wali.get(f"{chat}/attachments/x/"), wali.download(uri, wali.send_file(uri))],
        "reaction": [wali.put(f"{chat}/messages/{seq}/reactions/%F0%9F%91%8D/") for seq in (1, 2)],
        "report": [wali.post(f"{chat}/messages/{seq}/report/", {"reason": "Spam"}) for seq in (1, 2)],
        "message": [wali.delete(f"{chat}/messages/{seq}/") for seq in (1, 2, 3)],
        "unread": [wali.put(f"{chat}/unread/", {"seq": 0})],
        "preferences": [wali.patch(f"{chat}/me/", {"muted": True})],
        "invites": [wali.post(f"{chat}/invites/", {}), wali.get(f"{chat}/invites/")],
        "accept-invite": [otis.post(f"invites/{token}/"), otis.post("invites/x/")],
        "invite": [wali.delete(f"{chat}/invites/{token}/")],
        "ban": [wali.put(f"{chat}/bans/{mabel.username}/"), wali.put(f"{chat}/bans/nobody/")],
        "bans": [wali.get(f"{chat}/bans/"), otis.get(f"{chat}/bans/")],
        "read": [wali.put(f"{chat}/read/", {"seq": 1})],
        "changes": [wali.get(f"{chat}/changes/")],
        "people": [wali.get("people/")],
        "block": [wali.put(f"blocks/{name}/") for name in (otis.username, wali.username, "nobody")],
        "blocks": [wali.get("blocks/")],
        "health": [visitor.get("health/")],
        "member": [wali.patch(f"{chat}/members/{otis.username}/", {"role": "admin"})]
        + [wali.delete(f"{chat}/members/{person.username}/") for person in (otis, otis, wali)],
    }

    assert answers.keys() == {url.name for url in (*account_urls, *chat_urls)}
    shown = {name: emails("".join(each.content.decode() for each in asked)) for name, asked in answers.items()}
    assert {name: found for name, found in shown.items() if found} == {"me": {wali.email}}


def test_no_frame_shows_an_email(connect: Connect, wali: Person, mabel: Person, otis: Person) -> None:
    uri = wali.start(mabel)
    mabel.send(uri)
    socket = connect(wali)
    frames = [
        socket.ready,
        socket.ask("message.send", chat=uri, message="Hello"),
        socket.ask("message.send", chat="?", message="Hello"),
        socket.ask("resume", chat=uri, since=99),
        socket.ask("auth", token=wali.access),
        socket.ask("auth", token=mabel.access),
        *socket.resume(uri, since=0),
    ]
    acts: list[Callable[[], object]] = [
        lambda: mabel.mark_read(uri, 2),
        lambda: mabel.start(wali, otis),
        lambda: mabel.start_direct(wali),
        lambda: otis.join(uri),
        lambda: otis.send(uri),
        lambda: wali.edit_chat(uri, title="Picnic"),
        lambda: wali.remove(uri, otis),
        mabel.user.delete,
        lambda: wali.leave(uri),
    ]
    for act in acts:
        act()
    frames += socket.heard()

    assert {frame["type"] for frame in frames} == {"ready", "ok", "error", "reset", "changes", "read"}
    assert not emails(json.dumps(frames))
