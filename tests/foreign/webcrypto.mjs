// Loaded before every program here: Node 18, which Debian 12 has, keeps WebCrypto out of the globals, where later ones
// have it and where modules look for it.
import { webcrypto } from "node:crypto";

globalThis.crypto ??= webcrypto;
