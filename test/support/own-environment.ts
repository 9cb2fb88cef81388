/** tap gives variables of its own to every process below a test: they are not what a test of an environment is about. */

export function isOfTap(name: string, value = ''): boolean {
  return name.startsWith('_TAPJS_') || (name === 'NODE_OPTIONS' && value.includes('@tapjs'));
}

/** What is left without them. */
export function ownEnvironment(env: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter(([name, value]) => !isOfTap(name, value)));
}
