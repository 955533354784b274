// Platforms as they write themselves; any other name is shown as the feed has it, a section's own name ("sse.partner") without its kind.

import { clean } from "./text";

const WRITTEN: Readonly<Record<string, string>> = {
  bilibili: "Bilibili",
  bluesky: "Bluesky",
  douyin: "Douyin",
  facebook: "Facebook",
  instagram: "Instagram",
  kick: "Kick",
  mastodon: "Mastodon",
  owncast: "Owncast",
  recording: "Recording",
  ssn: "Social Stream",
  telegram: "Telegram",
  tiktok: "TikTok",
  twitch: "Twitch",
  vk: "VK",
  youtube: "YouTube",
};

export function platformName(name: string): string {
  return Object.hasOwn(WRITTEN, name) ? WRITTEN[name]! : clean(name.slice(name.indexOf(".") + 1));
}
