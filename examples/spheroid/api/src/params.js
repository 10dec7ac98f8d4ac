// Reading numbers out of a URL.

// A row id, or null where the text cannot be one.
export function parseId(text) {
  return /^[1-9]\d{0,8}$/.test(text) ? Number(text) : null;
}

// A whole number from `least` up; `fallback` for anything else.
export function parseCount(text, least, fallback) {
  return /^\d{1,9}$/.test(text) && Number(text) >= least ? Number(text) : fallback;
}
