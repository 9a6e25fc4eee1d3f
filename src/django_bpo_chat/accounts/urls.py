"""Accounts. Every URL answers with and without its trailing slash."""

from django.urls import re_path

from . import views

app_name = "bpo_chat_accounts"

urlpatterns = [
    re_path(r"^users/signup/?$", views.SignUpView.as_view(), name="signup"),
    re_path(r"^users/login/?$", views.LogInView.as_view(), name="login"),
    re_path(r"^users/refresh/?$", views.RefreshView.as_view(), name="refresh"),
    re_path(r"^users/logout/?$", views.LogOutView.as_view(), name="logout"),
    re_path(r"^users/me/?$", views.MeView.as_view(), name="me"),
]
