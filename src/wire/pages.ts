/** A list that is answered page by page, read to its end. */

const LARGEST_PAGE = 1000;

export interface PageWish {
  page_size: number;
  page_token?: string;
}

export interface Page<Item> {
  readonly items: Item[] | undefined;
  /** Missing, or empty, behind the last one. */
  readonly next: string | undefined;
}

/** All there are, `limit` at the most; no page is empty. */
export async function* pagesOf<Item>(
  ask: (wish: PageWish) => Promise<Page<Item>>,
  limit = Number.POSITIVE_INFINITY,
): AsyncGenerator<Item[]> {
  let left = limit;
  let token = '';
  do {
    const page_size = Math.min(left, LARGEST_PAGE);
    const { items = [], next = '' } = await ask({ page_size, ...(token !== '' && { page_token: token }) });
    if (items.length > 0) yield items.slice(0, left);
    left -= items.length;
    token = next;
  } while (token !== '' && left > 0);
}
