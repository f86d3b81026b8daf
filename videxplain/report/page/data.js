// Data come as scripts: a page that is opened from the disk may read nothing else.
"use strict";

const videxplain = (() => {
  const waiting = new Map();   // name -> what to call when its script has run
  const loading = new Map();   // name -> promise

  function put(name, data) {
    waiting.get(name)?.(data);
  }

  function script(source) {
    return new Promise((resolve, reject) => {
      const tag = document.createElement("script");
      tag.src = source;
      tag.onload = () => { tag.remove(); resolve(); };
      tag.onerror = () => { tag.remove(); reject(new Error(`${source} is missing: make the report again`)); };
      document.head.append(tag);
    });
  }

  function load(name) {
    if (!loading.has(name)) {
      let found = null;
      waiting.set(name, (data) => { found = { data }; });
      const path = name.split("/").map(encodeURIComponent).join("/");
      const promise = script(`data/${path}.js`).then(() => {
        if (!found) throw new Error(`data/${path}.js is of another report: make the report again`);
        return found.data;
      }).finally(() => waiting.delete(name));
      promise.catch(() => loading.delete(name));
      loading.set(name, promise);
    }
    return loading.get(name);
  }

  // Media are large and looked at once; what is forgotten is read again when needed.
  function forget(name) {
    loading.delete(name);
  }

  return { put, load, forget, script };
})();
