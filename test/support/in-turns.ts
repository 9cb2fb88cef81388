/** Many calls at once, as many as are answered in time on however busy a machine: each has its deadline from when it is sent. */

const AT_ONCE = 100;

/** Answers in the order of the items. */
export async function inTurns<Item, Answer>(
  items: readonly Item[],
  call: (item: Item) => Promise<Answer>,
): Promise<Answer[]> {
  const answers: Answer[] = [];
  for (let from = 0; from < items.length; from += AT_ONCE)
    answers.push(...(await Promise.all(items.slice(from, from + AT_ONCE).map(call))));
  return answers;
}
