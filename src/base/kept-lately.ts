/**
 * What was kept lately, up to a limit of its weight.
 *
 * Guarantee: to keep one costs the same however much is kept. So there are two generations, and the older one goes as a whole once the
 * younger one is half of the limit: to take the first key of a Map again and again costs as much as keys were taken before.
 */

export interface KeptLatelyOptions<Value> {
  /** In all. What is kept is between half of that and that. */
  readonly limit: number;
  readonly weightOf: (value: Value) => number;
}

export class KeptLately<Key, Value> {
  private readonly options: KeptLatelyOptions<Value>;
  private younger = new Map<Key, Value>();
  private older = new Map<Key, Value>();
  /** Of the younger ones. */
  private weight = 0;

  constructor(options: KeptLatelyOptions<Value>) {
    this.options = options;
  }

  get(key: Key): Value | undefined {
    return this.younger.get(key) ?? this.older.get(key);
  }

  set(key: Key, value: Value): void {
    this.delete(key);
    this.younger.set(key, value);
    this.weight += this.options.weightOf(value);
    if (this.weight <= this.options.limit / 2) return;
    this.older = this.younger;
    this.younger = new Map();
    this.weight = 0;
  }

  delete(key: Key): void {
    const value = this.younger.get(key);
    if (value !== undefined) this.weight -= this.options.weightOf(value);
    this.younger.delete(key);
    this.older.delete(key);
  }
}
