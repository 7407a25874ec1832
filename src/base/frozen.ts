// What every object inherits from, made unchangeable: a key that somebody sends, or a library's mistake, cannot give all
// objects a new property.
//
// Object.freeze alone would do harm: where an inherited property is read-only, `headers[name] = value` throws for a
// field named `constructor`, and node:http assigns names that peers choose. So what Object.prototype has becomes a
// property that reads the same and, when assigned to on another object, gives that object one of its own, as before.

/** Freezes the prototypes of Object, Array and Function. For when all is loaded: libraries may patch them until then. */
export function freezePrototypes(): void {
  for (const key of Reflect.ownKeys(Object.prototype)) makeShadowable(Object.prototype, key)
  // Of the others only what libraries do assign to their own functions and arrays: these are looked up too often.
  for (const { prototype } of [Array, Function]) makeShadowable(prototype, 'toString')
  for (const { prototype } of [Object, Array, Function]) Object.freeze(prototype)
}

function makeShadowable(holder: object, key: PropertyKey): void {
  const property = Object.getOwnPropertyDescriptor(holder, key)
  if (!property?.configurable || !property.writable) return
  const { value } = property
  Object.defineProperty(holder, key, {
    get: () => value,
    set(this: object, own: unknown) {
      if (this === holder) throw new TypeError(`${String(key)} is frozen`)
      Object.defineProperty(this, key, { value: own, writable: true, enumerable: true, configurable: true })
    },
    enumerable: false,
    configurable: false,
  })
}
