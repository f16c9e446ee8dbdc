// Reads a public header into its declarations and their comments, for the check that each has one and for
// the reference in docs/. It knows the layout of our headers, not all of C.

const TOKEN = /\/\*[^]*?\*\/|\/\/[^\n]*|^[ \t]*#(?:[^\n]*\\\n)*[^\n]*|"(?:\\.|[^"\\\n])*"|[^\s]|\n/gm;
// Lines that stand alone without a semicolon. A type's comment is at its list of fields.
const BARE = /^(TRP_BEGIN_DECLS|TRP_END_DECLS|TRP_TYPE_DECLARE\(.*\))$/;

function commentText(token) {
  return token.slice(3, -2).split('\n').map((line) => line.replace(/^\s*\*? ?/, '')).join('\n').trim();
}

// Cuts the text into comments, macros and declarations, in order.
function* pieces(text) {
  TOKEN.lastIndex = 0;
  let start = -1;
  let depth = 0;
  let last = '';
  const inDeclaration = () => start >= 0;
  for (let match = TOKEN.exec(text); match; match = TOKEN.exec(text)) {
    const [token] = match;
    if (token === '\n') {
      const word = inDeclaration() && depth === 0 ? text.slice(start, match.index).trim() : '';
      if (BARE.test(word)) {
        start = -1;
      }
      continue;
    }
    if (token.startsWith('/*') || token.startsWith('//')) {
      if (!inDeclaration() && token.startsWith('/**') && !token.startsWith('/**<')) {
        yield { kind: 'comment', text: commentText(token), at: match.index, end: TOKEN.lastIndex };
      }
      continue;
    }
    if (token.trimStart().startsWith('#')) {
      if (!inDeclaration()) {
        yield { kind: 'directive', text: token.trim(), at: match.index, end: TOKEN.lastIndex };
      }
      continue;
    }
    if (!inDeclaration()) {
      start = match.index;
    }
    depth += token === '{' || token === '(' ? 1 : 0;
    depth -= token === '}' || token === ')' ? 1 : 0;
    last = token;
    const body = last === '}' && /^static\s+inline\b/.test(text.slice(start));
    if (depth === 0 && (last === ';' || body)) {
      yield { kind: 'declaration', text: text.slice(start, TOKEN.lastIndex), at: start, end: TOKEN.lastIndex };
      start = -1;
    }
  }
}

function macroName(directive) {
  return /^#[ \t]*define\s+(\w+)/.exec(directive)?.[1];
}

// Include guards, and what a public macro is made of: names that end with `_` or with a kind (..._u32).
function isHelper(macro) {
  return macro.endsWith('_') || /^TROUPE_\w+_H$/.test(macro) || /[a-z]/.test(macro);
}

function declarationName(text) {
  const code = text.replace(/\/\*[^]*?\*\//g, ' ');
  const composite = /^(?:typedef\s+)?(?:struct|enum|union)\s+(\w+)\s*\{/.exec(code);
  if (composite) {
    return composite[1];
  }
  const callback = /^typedef\b[^;]*?\(\s*\*\s*(\w+)\s*\)/.exec(code);
  if (callback) {
    return callback[1];
  }
  const call = /(\w+)\s*\(/.exec(code.replace(/\b__attribute__\s*\(\(.*?\)\)/g, ''));
  return call?.[1] ?? /(\w+)\s*(?:\[[^\]]*\])?\s*;$/.exec(code)?.[1] ?? code.trim();
}

function isForward(text) {
  return /^(typedef\s+)?(struct|enum|union)\s+\w+(\s+\w+)?\s*;$/.test(text);
}

/**
 * Parses a header. Returns { about, items }; an item is { name, kind ('function', 'type', 'macro', 'constant'), text, comment,
 * line }. A comment belongs to what follows it, and to further macros on the lines right after. Of a macro
 * that is defined in several ways, the first definition stands for all.
 */
export function parseHeader(text) {
  let about = '';
  let comment = null;
  let itemEnd = 0;
  const items = [];
  for (const piece of pieces(text)) {
    const line = text.slice(0, piece.at).split('\n').length;
    if (piece.kind === 'comment') {
      if (piece.text.startsWith('@file')) {
        about = piece.text.replace(/^@file\s+\S+\s*/, '');
      } else {
        comment = piece.text;
      }
      continue;
    }
    if (piece.kind === 'directive') {
      const name = macroName(piece.text);
      if (name && !isHelper(name) && !items.some((item) => item.name === name)) {
        const joined = items.at(-1)?.kind === 'macro' && !/\n\s*\n/.test(text.slice(itemEnd, piece.at));
        const own = comment ?? (joined ? items.at(-1).comment : null);
        items.push({ name, kind: 'macro', text: piece.text, comment: own, line });
        comment = null;
        itemEnd = piece.end;
      }
      continue;
    }
    if (!isForward(piece.text)) {
      const name = declarationName(piece.text);
      const isType = /^(typedef|struct|enum|union)\b[^(]*(\{|;)|^typedef\b/.test(piece.text);
      const isConstant = /^(TRP_API\s+)?extern\b[^(]*;$/.test(piece.text);
      const kind = isType ? 'type' : isConstant ? 'constant' : 'function';
      items.push({ name, kind, text: piece.text, comment, line });
    }
    comment = null;
  }
  return { about, items };
}
