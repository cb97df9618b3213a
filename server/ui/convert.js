// convert.js: photos that the browser can show and the daemon does not take, because it was built without their format,
// knows none such, or finds them too large: sent again as the JPEG that the browser makes of them.

const SIDE = 2048, QUALITY = 0.92; // a captioner sees 224 x 224
const CONVERTIBLE = ["unsupported-image", "body-too-large", "image-too-large"];

// The photo as JPEG, over white and not larger than it need be; null if the browser cannot show it.
async function toJpeg(file) {
    const image = new Image();
    image.src = URL.createObjectURL(file);
    try {
        await image.decode();
        const width = image.naturalWidth || SIDE, height = image.naturalHeight || SIDE, scale = Math.min(1, SIDE / Math.max(width, height));
        const canvas = new OffscreenCanvas(Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))), pen = canvas.getContext("2d");
        pen.fillStyle = "#fff";
        pen.fillRect(0, 0, canvas.width, canvas.height);
        pen.drawImage(image, 0, 0, canvas.width, canvas.height);
        return new File([await canvas.convertToBlob({ type: "image/jpeg", quality: QUALITY })], file.name, { type: "image/jpeg" });
    } catch {
        return null;
    } finally {
        URL.revokeObjectURL(image.src);
    }
}

// send(file)'s result, if need be for the converted file: {answer, sent}. What the daemon said stands if nothing helps.
export async function sendPhoto(file, send) {
    try {
        return { answer: await send(file), sent: file };
    } catch (error) {
        const sent = CONVERTIBLE.includes(error.type) ? await toJpeg(file) : null;
        if (!sent) throw error;
        return { answer: await send(sent), sent };
    }
}
