export class Knowledge { async open(root) { root.textContent='Knowledge'; } close() {} key() { return false; } focus() {} }
