declare module "virtual:photograph" {
  const address: string;
  export default address;
}
