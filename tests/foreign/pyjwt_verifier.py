"""A service that believes access tokens by PyJWT alone, with the defaults of its PyJWKClient.

    python pyjwt_verifier.py JWKS_URL     a line in, a line out:
      TOKEN          accepted USER_ID, or refused REASON
      later SECONDS  so much time has passed, for the cache of keys and nothing else
"""

import sys
import time

import jwt

# The cache ages by the monotonic clock; whether a token has ended is asked of the other one, which stays what it is.
monotonic = time.monotonic
passed = 0
time.monotonic = lambda: monotonic() + passed

keys = jwt.PyJWKClient(sys.argv[1])

for line in sys.stdin:
    line = line.rstrip("\n")
    if line.startswith("later "):
        passed += int(line.removeprefix("later "))
        print("later", flush=True)
        continue
    try:
        # A key of the set knows its algorithm, and is used with no other.
        token = jwt.decode_complete(
            line,
            keys.get_signing_key_from_jwt(line),
            issuer="latchkey",
            audience="latchkey",
            options={"require": ["exp", "iat", "sub"]},
        )
        if token["header"]["typ"] != "at+jwt":
            raise jwt.InvalidTokenError("typ")
        print("accepted", token["payload"]["sub"], flush=True)
    except jwt.PyJWTError as error:
        print("refused", type(error).__name__, flush=True)
