// lib/ -> what dwv imports as "jszip": the library sets a global name, and dwv wants a module.
export default globalThis.JSZip;
