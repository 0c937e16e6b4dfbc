// The address after # says all of what is shown: #/view/rest?name=value&name=value.

export function parse(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  const [name, ...rest] = path.split("/").map(readable);
  return { name, rest, params: new URLSearchParams(query) };
}

export function compose(name, params, rest = []) {
  const path = ["#", name, ...rest.map(encodeURIComponent)].join("/");
  const query = params.toString();
  return query ? `${path}?${query}` : path;
}

// The same address with other values; an empty one takes the name out. What is asked anew begins at its first page.
export function changed(asked, values) {
  const params = new URLSearchParams(asked.params);
  params.delete("limit");
  params.delete("reach");
  for (const [name, value] of Object.entries(values)) {
    if (value === null || value === "") params.delete(name);
    else params.set(name, value);
  }
  return compose(asked.name, params, asked.rest);
}

export function withField(asked, field) {
  const params = new URLSearchParams(asked.params);
  params.delete("limit");
  if (!params.getAll("field").includes(field)) params.append("field", field);
  return compose(asked.name, params, asked.rest);
}

export function withoutField(asked, field) {
  const params = new URLSearchParams(asked.params);
  const kept = params.getAll("field").filter((each) => each !== field);
  params.delete("field");
  for (const each of kept) params.append("field", each);
  return compose(asked.name, params, asked.rest);
}

function readable(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
