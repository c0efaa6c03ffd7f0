/** How many answers are kept: a fleet names a few dozen releases, and a hostile file any number. */
const MOST = 1000;

/** A function of text that remembers its answers: for what is asked of every node. */
export function remembered<T>(answer: (text: string) => T): (text: string) => T {
  const known = new Map<string, { readonly answer: T }>();
  return (text) => {
    const found = known.get(text);
    if (found !== undefined) return found.answer;
    const made = { answer: answer(text) };
    if (known.size < MOST) known.set(text, made);
    return made.answer;
  };
}
