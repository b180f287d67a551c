import DefaultTheme from "vitepress/theme";
import "./style.css";
import Performance from "./Performance.vue";

export default {
  extends: DefaultTheme,
  enhanceApp: ({ app }: { app: { component(name: string, component: unknown): void } }) => {
    app.component("Performance", Performance);
  },
};
