"""What the account views say of themselves: see :mod:`django_bpo_chat.openapi`."""

from ..openapi import Operation, describe
from . import views
from .serializers import Account, FreshTokens, RefreshTokenInput, SignedUp, TokenPair

TAG = "Accounts"
CREDENTIALS = {"email": "wali@email.com", "password": "password123"}
TOKEN = {"refresh": TokenPair.example["refresh"]}

describe(
    {
        views.SignUpView: {
            "POST": Operation(
                "sign_up",
                TAG,
                "Sign up",
                {201: SignedUp},
                "Names and emails are taken without regard to ASCII case, and after Unicode normalisation (NFKC).",
                body=("sign_up",),
                examples={"Wali": {"username": "wali", **CREDENTIALS, "password2": CREDENTIALS["password"]}},
                public=True,
            )
        },
        views.LogInView: {
            "POST": Operation(
                "log_in",
                TAG,
                "Log in",
                {200: TokenPair},
                body=("log_in",),
                examples={"Wali": CREDENTIALS},
                errors=(401,),
                public=True,
            )
        },
        views.RefreshView: {
            "POST": Operation(
                "refresh_token",
                TAG,
                "Refresh the tokens",
                {200: FreshTokens},
                "With a refresh token, or with email and password. Where a body has both, the token counts.",
                body=(RefreshTokenInput, "log_in"),
                examples={"A refresh token": TOKEN, "Email and password": CREDENTIALS},
                errors=(401,),
                public=True,
            )
        },
        views.LogOutView: {
            "POST": Operation(
                "log_out",
                TAG,
                "Log out",
                {204: None},
                "The refresh token is dead, and the sockets of its log-in close.",
                body=(RefreshTokenInput,),
                examples={"A refresh token": TOKEN},
                errors=(401,),
                public=True,
            )
        },
        views.MeView: {"GET": Operation("get_me", TAG, "Who am I", {200: Account})},
    }
)
