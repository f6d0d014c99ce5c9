/**
 * A bounded map. When it is full the entry that was not used for the longest time goes.
 * With a ttl (milliseconds, 0 for none) an entry is gone that long after it was set.
 */
export class LRU {
  #entries = new Map();
  #max;
  #ttl;
  #now;
  #onEvict;

  constructor({ max = 500, ttl = 0, now = Date.now, onEvict = null } = {}) {
    if (!Number.isInteger(max) || max < 1) throw new RangeError('max must be a positive integer');
    this.#max = max;
    this.#ttl = ttl;
    this.#now = now;
    this.#onEvict = onEvict;
  }

  get size() {
    return this.#entries.size;
  }

  /** The live keys, the one to go first at the front. */
  keys() {
    return [...this.#entries.keys()].filter((key) => this.has(key));
  }

  has(key) {
    const entry = this.#entries.get(key);
    return entry !== undefined && !this.#expired(entry);
  }

  get(key) {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    if (this.#expired(entry)) {
      this.#entries.delete(key);
      return undefined;
    }
    return entry.value;
  }

  set(key, value) {
    const expires = this.#ttl ? this.#now() + this.#ttl : Infinity;
    this.#entries.set(key, { value, expires });
    if (this.#entries.size > this.#max) this.#evict();
    return this;
  }

  delete(key) {
    return this.#entries.delete(key);
  }

  clear() {
    this.#entries.clear();
  }

  #expired(entry) {
    return this.#now() >= entry.expires;
  }

  #evict() {
    const [key, entry] = this.#entries.entries().next().value;
    this.#entries.delete(key);
    this.#onEvict?.(key, entry.value);
  }
}
