const { writeReference } = await import("/work/hd/scripts/docs/reference.ts");
await writeReference();
