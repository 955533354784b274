// The wall is built to a folder of static files that run under `default-src 'none'`: nothing inline, nothing as a data: URL.
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

export default defineConfig({
  base: "./",
  plugins: [svelte()],
  // `npm run dev` shows the page with the feed of a monitor that runs on this machine.
  server: { proxy: { "/feed": { target: "http://127.0.0.1:8080", ws: true, changeOrigin: true, rewriteWsOrigin: true } } },
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    cssCodeSplit: false,
    // The wall, the producer's phone at /remote, and one panel at /source.
    rolldownOptions: { input: ["index.html", "remote.html", "source.html"] },
  },
});
