// Walks every text on the page and says what a reader across the room would trip over: texts that overlap, are cut, leave the
// screen, are smaller than the floor, or touch the truth bar. Returns sentences; an empty list is a good picture.
((floor, lenient) => {
  const problems = [];
  const boxes = [];
  const seen = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const style = getComputedStyle(e);
      if (style.display === "none" || style.visibility === "hidden" || Number(style.opacity) === 0) return false;
    }
    return true;
  };
  // A line box is higher than its ink: Noto Sans (1.36 em) from capitals to descenders, Noto Sans CJK (1.45 em) the square.
  // Figures have no descenders, only the comma hangs.
  const ink = (rect, size, text) => {
    const cjk = rect.height / size > 1.4;
    const above = cjk ? 0.19 : 0.23;
    const below = cjk ? 0.115 : /^[\d,.:–−]+$/.test(text) ? 0.12 : 0.04;
    return { left: rect.left, right: rect.right, top: rect.top + above * rect.height, bottom: rect.bottom - below * rect.height };
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const text = node.textContent.trim();
    const parent = node.parentElement;
    if (!text || !seen(parent)) continue;
    const matrix = parent.ownerSVGElement ? parent.getScreenCTM() : null;
    const size = parseFloat(getComputedStyle(parent).fontSize) * (matrix ? matrix.a : 1);
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const rect of range.getClientRects()) {
      if (rect.width < 1) continue;
      const box = { ...ink(rect, size, text), text, parent };
      let hidden = false;
      for (let e = parent; e; e = e.parentElement) {
        const style = getComputedStyle(e);
        if (e === document.body || e === document.documentElement) break;
        if (!/hidden|clip|auto|scroll/.test(style.overflowX + style.overflowY)) continue;
        const clip = e.getBoundingClientRect();
        // In larger type a name may end in "…"; then what is seen of it is what counts.
        if (lenient && (style.textOverflow === "ellipsis" || style.webkitLineClamp !== "none")) {
          box.right = Math.min(box.right, clip.right);
          box.left = Math.max(box.left, clip.left);
          box.bottom = Math.min(box.bottom, Math.max(box.top, clip.bottom));
          if (box.right <= box.left || box.top >= clip.bottom - 1) hidden = true;
          continue;
        }
        if (box.left >= clip.right - 1 || box.top >= clip.bottom - 1 || box.right <= clip.left + 1 || box.bottom <= clip.top + 1) hidden = true;
        else if (box.right > clip.right + 1 || box.bottom > clip.bottom + 1 || box.left < clip.left - 1 || box.top < clip.top - 1)
          problems.push(`cut: "${text}" in <${e.className}>`);
      }
      if (hidden) continue;
      if (box.left < -1 || box.right > innerWidth + 1 || (document.body.scrollHeight <= innerHeight && (box.top < -1 || box.bottom > innerHeight + 1)))
        problems.push(`off the screen: "${text}"`);
      boxes.push(box);
    }
    const least = matrix && /^[A-Z]{2}$/.test(text) ? floor * 0.85 : floor;
    if (size < least - 0.01) problems.push(`small: "${text}" has ${size.toFixed(1)} px`);
  }
  for (let i = 0; i < boxes.length; i += 1)
    for (let j = i + 1; j < boxes.length; j += 1) {
      const [a, b] = [boxes[i], boxes[j]];
      if (lenient && a.parent === b.parent && a.text === b.text) continue; // a line and the "…" at its end
      const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (across > 1 && down > 1) problems.push(`overlap: "${a.text}" and "${b.text}" by ${across.toFixed(0)} × ${down.toFixed(0)}`);
    }
  const bar = document.querySelector("[data-part=truth]").getBoundingClientRect();
  if (bar.height > 0 && getComputedStyle(document.querySelector("[data-part=truth]")).position !== "sticky")
    for (const box of boxes)
      if (!box.parent.closest("[data-part=truth]") && box.bottom > bar.top - 8 * (innerWidth / 1920)) problems.push(`touches the truth bar: "${box.text}"`);
  return { problems: [...new Set(problems)], texts: boxes.length };
});
