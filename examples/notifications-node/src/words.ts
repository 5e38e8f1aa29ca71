// Text of strangers in mails. Anybody can order in the name of somebody else's mailbox, and must not be able to send
// advertising that way: no mail program finds a link or an address in what these functions return.

/** The longest texts in a mail, in characters. Names and addresses are as long as people write them on parcels. */
export const MAX_NAME = 40;
export const MAX_LINE = 80; // of an address
export const MAX_TITLE = 120;

const SPACE = /\p{White_Space}+/u;
const words = (text: string): string[] => text.split(SPACE).filter(Boolean);

/** Replaces line ends and control characters by spaces, and removes what is invisible or changes the direction. */
export function oneLine(text: string): string {
  const visible = text
    .toWellFormed()
    .replace(/[\p{White_Space}\p{Cc}]/gu, " ")
    .replace(/[^\p{L}\p{M}\p{N}\p{P}\p{S}\p{Zs}]/gu, "");
  return words(visible).join(" ");
}

/** Makes one line of a text that a stranger may have written. */
export function harmless(text: string, limit: number): string {
  const unlinked = words(oneLine(text)).map((word) => unlink(Array.from(word, asciiSeparator)));
  return shorten(words(unlinked.join(" ")).join(" "), limit);
}

const SEPARATORS: Record<string, string> = { ".": ".", "。": ".", "@": "@", ":": ":", "/": "/", "\\": "/" };

/** Returns the ASCII form of a separator in links. Mail programs read a full-width dot as a dot. */
const asciiSeparator = (character: string): string => SEPARATORS[character.normalize("NFKC")] ?? character;

/**
 * Takes from a word what makes it a link: its @, the dots between letters, its double slashes, and the colon of a
 * scheme. Dots at the end, decimals and times stay.
 */
function unlink(word: string[]): string {
  const dots = word.filter((c) => c === ".").length;
  const isDigit = (i: number) => /^[0-9]$/.test(word[i] ?? "");
  return word
    .map((c, i) => {
      const last = i === word.length - 1;
      const amidDigits = !last && isDigit(i - 1) && isDigit(i + 1);
      if (c === "@") return " ";
      if (c === "." && !last && (!amidDigits || dots > 1)) return " ";
      if (c === "." && word.slice(0, i).join("").toLowerCase().endsWith("www")) return " ";
      if (c === "/" && word[i - 1] === "/") return "";
      if (c === ":" && !last && !amidDigits) return ": ";
      return c;
    })
    .join("");
}

export function shorten(text: string, limit: number): string {
  const characters = Array.from(text);
  return characters.length > limit
    ? `${characters
        .slice(0, limit - 1)
        .join("")
        .trim()}…`
    : text;
}

/**
 * Returns the name for the salutation, or nothing if it does not look like a name: at most four words, of letters,
 * hyphens and apostrophes, and short abbreviations such as "J." and "Dr.".
 */
export function greeting(name: string): string {
  const parts = words(oneLine(name));
  const whole = parts.join(" ");
  const isName = parts.every((part) => /^(?:[\p{L}\p{M}'’-]*|[\p{L}\p{M}'’-]{0,2}\.)$/u.test(part));
  return isName && parts.length <= 4 && Array.from(whole).length <= MAX_NAME ? whole : "";
}
