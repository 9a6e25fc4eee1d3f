"""What `manage.py demo` starts with, made by the same operations that serve the API."""

from django.db import transaction

from django_bpo_chat import operations

from .models import User

PASSWORD = "password123"
NAMES = ["mabel", "otis", "ines"]
EMAILS = [f"{name}@example.com" for name in NAMES]


@transaction.atomic
def seed() -> None:
    """Adds the people and their chats, once: where one of them is, all of it has been."""
    if User.objects.filter(username__in=NAMES).exists():
        return
    mabel, otis, ines = (
        User.objects.create_user(name, email, PASSWORD) for name, email in zip(NAMES, EMAILS, strict=True)
    )
    mabel.is_staff = mabel.is_superuser = True  # one of them can show the admin
    mabel.save()

    picnic = operations.start_group(actor=mabel, title="Picnic on Saturday", members=["otis", "ines"])
    for author, text in [
        (mabel, "Saturday looks sunny. The meadow behind the old mill, at noon?"),
        (otis, "I am in! I bring the blanket and a frisbee."),
        (ines, "Me too 🍓\nI have far too many strawberries, so there will be cake."),
        (mabel, "Lemonade is mine then."),
        (otis, "Shall we take the 11:20 train?"),
    ]:
        operations.send_message(actor=author, chat=picnic.uri, text=text)

    readers = operations.start_group(actor=ines, title="Book club", members=["mabel"])
    operations.send_message(actor=ines, chat=readers.uri, text="Chapters four to seven by Thursday. No spoilers!")

    aside, _ = operations.start_direct(actor=otis, username="mabel")
    operations.send_message(actor=otis, chat=aside.uri, text="It is her birthday on Saturday. Do we have candles?")
