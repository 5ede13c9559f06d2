// lib/ -> what dwv imports as "konva": the library sets a global name, and dwv wants a module.
export default globalThis.Konva;
