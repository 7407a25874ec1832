// What every object inherits from, made unchangeable: a key that somebody sends, or a library's mistake, cannot give all
// objects a new property.

/**
 * Freezes the prototypes of Object, Array and Function. For when everything is loaded: libraries may patch them while
 * they load, and an assignment that would shadow a frozen property throws.
 */
export function freezePrototypes(): void {
  for (const { prototype } of [Object, Array, Function]) Object.freeze(prototype)
}
