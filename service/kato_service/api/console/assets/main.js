// Starts the console.

import {Instance} from "./instance.js";
import {Knowledge} from "./knowledge.js";
import {Shell} from "./shell.js";
import {Talk} from "./talk.js";
import {Teach} from "./teach.js";

new Shell({
  talk: shell => new Talk(shell),
  knowledge: shell => new Knowledge(shell),
  instance: shell => new Instance(shell),
  teach: shell => new Teach(shell),
}).start();
