// What configuration hands out does not change any more: rooms may hold on to it.

/** Freezes all the way down and returns the value. Byte arrays cannot be frozen and are left alone. */
export function freeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value
  for (const each of Object.values(value)) freeze(each)
  return Object.freeze(value)
}
