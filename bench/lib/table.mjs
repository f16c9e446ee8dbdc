// Tables: for the terminal in columns, for the document in Markdown. A table is a list of rows of
// strings; the first row holds the headings, the first column the names.

/** 4.63, 37.5, 412, 7,350: three digits that mean something. */
export function number(value) {
    if (!Number.isFinite(value)) return '';
    if (value >= 100) return Math.round(value).toLocaleString('en-US');
    return value.toFixed(value >= 10 ? 1 : 2);
}

export function withSpread({ median, spread }) {
    return `${number(median)} ±${Math.round(spread * 100)}%`;
}

export function toText(rows) {
    const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
    const line = (row) => row.map((cell, column) =>
        (column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]))).join('  ');
    const rule = widths.map((width) => '-'.repeat(width)).join('  ');
    return [line(rows[0]), rule, ...rows.slice(1).map(line)].join('\n');
}

export function toMarkdown(rows) {
    const line = (row) => `| ${row.join(' | ')} |`;
    const rule = `|${rows[0].map((_, column) => (column === 0 ? '---' : '---:')).join('|')}|`;
    return [line(rows[0]), rule, ...rows.slice(1).map(line)].join('\n');
}

/** Replaces what lies between the two markers of that name; throws if they are not there. */
export function replaceBetween(text, name, content) {
    const [begin, end] = [`<!-- ${name}: begin -->`, `<!-- ${name}: end -->`];
    const [from, to] = [text.indexOf(begin), text.indexOf(end)];
    if (from < 0 || to < from) throw new Error(`the markers of \`${name}\` are missing`);
    return `${text.slice(0, from + begin.length)}\n${content}\n${text.slice(to)}`;
}
