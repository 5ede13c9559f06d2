// lib/ -> what dwv imports as "magic-wand-tool": the library sets a global name, and dwv wants a module.
export default globalThis.MagicWand;
