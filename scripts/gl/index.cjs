/** The addon gl if `npm run setup:gl` has built it; otherwise the error of a package that is not installed. */
module.exports = require("./addon/node_modules/gl");
