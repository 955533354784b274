import { mount } from "svelte";
import "../styles/tokens.css";
import "../styles/wall.css";
import "./remote.css";
import "./deck.css";
import Remote from "./Remote.svelte";

const target = document.getElementById("remote");
if (target === null) throw new Error("remote.html has no element #remote");
mount(Remote, { target });
