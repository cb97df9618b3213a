// photos.js: the place where photos are dropped, pasted or picked. Every element with data-photos becomes one.
import { h } from "./dom.js";

// By name, too: many systems know no type of the newer formats.
const NAMES = /\.(jpe?g|jfif|png|gif|bmp|webp|tiff?|hei[cf]|avif)$/i;
const TYPES = "image/*,.heic,.heif,.avif,.tif,.tiff,.webp,.jfif";
const shown = (element) => element.offsetParent !== null;

export const isPhoto = (file) => file.type.startsWith("image/") || NAMES.test(file.name);

// Calls take(files) with what was chosen, at least one. options.multiple; options.also: other types, as ".tsv".
export function photoPlace(place, take, { multiple = false, also = "" } = {}) {
    const input = h("input", { type: "file", accept: TYPES + (also && `,${also}`), multiple, class: "visually-hidden" });
    const left = h("p", { class: "notice", role: "alert" });
    const wanted = multiple ? `Photos (JPEG, PNG, WebP, HEIC, AVIF, TIFF, GIF, BMP)${also && ` or a ${also} file`} are wanted.` : "One photo (JPEG, PNG, WebP, HEIC, AVIF, TIFF, GIF, BMP) is wanted.";
    const give = (list) => {
        const files = [...list].filter((f) => isPhoto(f) || (also && f.name.endsWith(also))), taken = multiple ? files : files.slice(0, 1);
        const others = [...list].filter((f) => !taken.includes(f)).map((f) => f.name);
        left.textContent = others.length ? `Not taken: ${others.join(", ")}. ${wanted}` : "";
        if (taken.length) take(taken);
    };
    place.append(h("label", {}, input, h("span", { class: "drop-face" },
        h("b", {}, multiple ? "Drop photos here" : "Drop a photo here"), " or paste, or ", h("u", {}, "choose"))), left);
    input.addEventListener("change", () => {
        give(input.files);
        input.value = "";
    });
    place.addEventListener("dragover", (event) => {
        event.preventDefault();
        place.classList.add("over");
    });
    place.addEventListener("dragleave", () => place.classList.remove("over"));
    place.addEventListener("drop", (event) => {
        event.preventDefault();
        place.classList.remove("over");
        give(event.dataTransfer.files);
    });
    document.addEventListener("paste", (event) => {
        if (shown(place) && event.clipboardData?.files.length) give(event.clipboardData.files);
    });
}

// A file dropped beside the place must not replace the page.
for (const type of ["dragover", "drop"]) document.addEventListener(type, (event) => event.preventDefault());
