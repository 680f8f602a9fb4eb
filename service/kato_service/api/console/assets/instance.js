export class Instance { async open(root) { root.textContent='Instance'; } close() {} key() { return false; } focus() {} }
