/** The subjects of the reference, in its order. */
export const ORDER = ["Tape", "Ops", "Losses", "Verification", "Devices", "Optimisers"];
