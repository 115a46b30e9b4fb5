"""A client of OAuth by Authlib alone: it keeps a pair of tokens and renews by itself.

    python authlib_client.py URL     an object a line, and one for an answer:
      {"do": "keep", "token": {…}}                  the answer of a login, as a client stores it
      {"do": "get", "path": "/api/profile"}         status, and whatever it renewed meanwhile
      {"do": "renew"}                               at once
      {"do": "later", "seconds": 900}               so much time has passed for this client
      {"do": "introspect", "token": …, "client": [ID, SECRET]}
      {"do": "revoke", "token": …}
"""

import json
import sys
import time

from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session

url = sys.argv[1]
clock = time.time
passed = 0
time.time = lambda: clock() + passed
renewed = []


def keep(token, **_):
    renewed.append(dict(token))


session = OAuth2Session(
    client_id="first-party",
    token_endpoint_auth_method="none",
    revocation_endpoint_auth_method="none",
    token_endpoint=url + "/oauth/token",
    update_token=keep,
)


def answer(asked):
    global passed
    if asked["do"] == "keep":
        # What a login says beside the tokens is nothing that this library needs.
        token = dict(asked["token"], expires_at=int(time.time()) + asked["token"]["expires_in"])
        session.token = token
        return {}
    if asked["do"] == "later":
        passed += asked["seconds"]
        return {}
    if asked["do"] == "get":
        return {"status": session.get(url + asked["path"]).status_code}
    if asked["do"] == "renew":
        return {"token": dict(session.refresh_token())}
    if asked["do"] == "introspect":
        client_id, secret = asked["client"]
        client = OAuth2Session(client_id=client_id, client_secret=secret)
        said = client.introspect_token(url + "/api/introspect", token=asked["token"])
        return {"status": said.status_code, "body": said.json()}
    if asked["do"] == "revoke":
        return {"status": session.revoke_token(url + "/api/revoke", token=asked["token"]).status_code}
    raise ValueError(asked["do"])


for line in sys.stdin:
    renewed.clear()
    try:
        said = answer(json.loads(line))
    except OAuthError as error:
        said = {"error": error.error, "description": error.description}
    print(json.dumps({**said, "renewed": renewed}), flush=True)
