import { mount } from "svelte";
import "./styles/tokens.css";
import "./styles/wall.css";
import Wall from "./Wall.svelte";

const target = document.getElementById("wall");
if (target === null) throw new Error("index.html has no element #wall");
mount(Wall, { target });
