"""The chat API. Every URL answers with and without its trailing slash."""

from django.urls import re_path

from . import views

app_name = "bpo_chat"

CHAT = r"^chats/(?P<uri>[^/]+)"
MESSAGE = CHAT + r"/messages/(?P<seq>[^/]+)"

urlpatterns = [
    re_path(r"^chats/?$", views.ChatsView.as_view(), name="chats"),
    re_path(CHAT + r"/?$", views.ChatView.as_view(), name="chat"),
    re_path(CHAT + r"/members/?$", views.MembersView.as_view(), name="members"),
    re_path(CHAT + r"/members/(?P<username>[^/]+)/?$", views.MemberView.as_view(), name="member"),
    re_path(CHAT + r"/messages/?$", views.MessagesView.as_view(), name="messages"),
    re_path(MESSAGE + r"/?$", views.MessageView.as_view(), name="message"),
    re_path(CHAT + r"/read/?$", views.ReadView.as_view(), name="read"),
    re_path(CHAT + r"/changes/?$", views.ChangesView.as_view(), name="changes"),
]
