import { mount } from "svelte";
import "../styles/tokens.css";
import "../styles/wall.css";
import "./source.css";
import Source from "./Source.svelte";

const target = document.getElementById("source");
if (target === null) throw new Error("source.html has no element #source");
mount(Source, { target });
